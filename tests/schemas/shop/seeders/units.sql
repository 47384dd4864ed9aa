INSERT INTO units (unit, base, factor) VALUES ('box', 'piece', 12), ('piece', NULL, DEFAULT), ('pallet', 'box', 40);
