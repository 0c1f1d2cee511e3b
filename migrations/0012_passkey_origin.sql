-- Passkeys belong to a host name, whatever the port: a page at another port of the same host gets answers, too.

-- origin: of the page on which it was made, the only one on which it works. '': from before, until its next use.
ALTER TABLE passkeys ADD COLUMN origin TEXT NOT NULL DEFAULT '';
