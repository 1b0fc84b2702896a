-- With this index, prune.sql finds payers without payments in a ledger with many payers.
CREATE INDEX payers_without_payments ON payers (payer) WHERE payments = 0
