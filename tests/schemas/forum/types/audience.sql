-- Who may see a space or read an attachment.
CREATE TYPE audience AS ENUM ('everyone', 'members', 'group', 'staff');
