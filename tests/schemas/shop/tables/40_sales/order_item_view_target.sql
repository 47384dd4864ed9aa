-- What the old cash desks still write to; see the view "Order Item".
CREATE TABLE "Order Note" (
    "Order Id" bigint,
    "Day"      date,
    "Note"     text NOT NULL,
    FOREIGN KEY ("Order Id", "Day") REFERENCES orders ON DELETE CASCADE
);
