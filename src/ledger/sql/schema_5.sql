-- What observed routes would have charged: for each status that requests would have got, their number, and the sats of their
-- invoices. The route is empty for requests without a route.
CREATE TABLE observed (
  route TEXT,
  status TEXT,
  requests INTEGER NOT NULL,
  sats INTEGER NOT NULL,
  PRIMARY KEY (route, status)
) WITHOUT ROWID;
-- How many clients would have got an invoice: on the last day on which the route was observed, and the most on one day.
CREATE TABLE observed_days (
  route TEXT PRIMARY KEY,
  day TEXT NOT NULL,
  clients INTEGER NOT NULL DEFAULT 0,
  most INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- These clients of the last day, at most 1,000 for a route.
CREATE TABLE observed_clients (route TEXT, client TEXT, PRIMARY KEY (route, client)) WITHOUT ROWID
