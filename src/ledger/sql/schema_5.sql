-- What was sold, for the export. fiat is an amount and a currency, such as `0.01 USD`. Each column is NULL if it is not known.
ALTER TABLE payments ADD COLUMN host TEXT;
ALTER TABLE payments ADD COLUMN protocol TEXT;
ALTER TABLE payments ADD COLUMN uses INTEGER;
ALTER TABLE payments ADD COLUMN fiat TEXT
