INSERT INTO reaction_kinds (kind, glyph) VALUES ('like', '♥'), ('thanks', '🙏'), ('laugh', '😄');
INSERT INTO reaction_kinds (kind, glyph, weight) VALUES ('insightful', '💡', 3);
