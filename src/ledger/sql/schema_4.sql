-- With these indexes, plan_sync.sql, prune.sql and read_stats.sql read only the rows that they need, also after a wallet was
-- replaced or the owner's server was down for days.
CREATE INDEX payments_unsettled ON payments (seen_ms) WHERE settled_ms IS NULL;
CREATE INDEX callbacks_given_up ON callbacks (since_ms) WHERE next_ms IS NULL
