-- What observed routes would have charged. The route is empty for requests without a route. The key is the status that
-- requests would have got, 'sats' for the sum of their invoices, or 'clients' for the number of clients with an invoice.
CREATE TABLE observed (route TEXT, key TEXT, count INTEGER NOT NULL, PRIMARY KEY (route, key)) WITHOUT ROWID;
-- These clients, at most 1,000 for a route, and the day on which each was first seen.
CREATE TABLE observed_clients (route TEXT, client TEXT, day TEXT, PRIMARY KEY (route, client)) WITHOUT ROWID;
-- What was sold, for the export. fiat is an amount and a currency, such as `0.01 USD`. Each column is NULL if it is not known.
ALTER TABLE payments ADD COLUMN host TEXT;
ALTER TABLE payments ADD COLUMN protocol TEXT;
ALTER TABLE payments ADD COLUMN uses INTEGER;
ALTER TABLE payments ADD COLUMN fiat TEXT
