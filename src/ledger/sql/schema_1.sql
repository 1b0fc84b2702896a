-- One row for each payment. route is the pattern of a route, payer the pseudonym of a client, wallet the number of a
-- wallet slot, minted_unix the timestamp of the invoice. settled_ms is NULL until LNbits reports the payment as paid.
-- is_counted is 1 when the sums include the payment.
CREATE TABLE payments (
  hash TEXT PRIMARY KEY,
  route TEXT NOT NULL,
  sats INTEGER NOT NULL,
  payer TEXT,
  wallet TEXT NOT NULL,
  minted_unix INTEGER,
  seen_ms INTEGER NOT NULL,
  settled_ms INTEGER,
  looked_up_ms INTEGER NOT NULL DEFAULT 0,
  is_counted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX payments_by_time ON payments (settled_ms);
CREATE INDEX payments_by_payer ON payments (payer) WHERE settled_ms IS NOT NULL;
CREATE INDEX payments_to_count ON payments (settled_ms) WHERE is_counted = 0;
-- The tables routes, hours, days and payers hold sums, so that the dashboard does not have to read all payments.
CREATE TABLE routes (
  route TEXT PRIMARY KEY,
  sats INTEGER NOT NULL DEFAULT 0,
  payments INTEGER NOT NULL DEFAULT 0,
  paid INTEGER NOT NULL DEFAULT 0,
  free INTEGER NOT NULL DEFAULT 0,
  challenged INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE hours (hour_ms INTEGER PRIMARY KEY, sats INTEGER NOT NULL, payments INTEGER NOT NULL);
CREATE TABLE days (day TEXT PRIMARY KEY, sats INTEGER NOT NULL, payments INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE payers (payer TEXT PRIMARY KEY, payments INTEGER NOT NULL) WITHOUT ROWID;
-- Callbacks that the owner's server has not accepted yet. next_ms is NULL once a callback is given up.
CREATE TABLE callbacks (
  hash TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  next_ms INTEGER,
  outcome TEXT
) WITHOUT ROWID;
CREATE INDEX callbacks_by_time ON callbacks (next_ms);
-- How far the payment list of each wallet was read: see Cursor in sync.rs.
CREATE TABLE lists (
  wallet TEXT PRIMARY KEY,
  cursor TEXT NOT NULL,
  read_to TEXT NOT NULL,
  newest TEXT NOT NULL,
  offset INTEGER NOT NULL
) WITHOUT ROWID;
-- When the ledger was created, and the number of payers.
INSERT INTO meta (key, value) VALUES ('created_unix', ?1 ->> 'now_ms' / 1000), ('payers', 0)
