-- For the old cash desks, whose names these are.
CREATE VIEW "Order Item" ("Order Id", "Day", "Item *", "Price/Unit") AS
SELECT order_id, placed_on, sku, price FROM order_lines;
CREATE RULE "notes only" AS ON UPDATE TO "Order Item"
    DO INSTEAD INSERT INTO "Order Note" VALUES (OLD."Order Id", OLD."Day", NEW."Item *");
