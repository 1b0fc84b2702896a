SELECT CAST(min(next_ms) AS TEXT) FROM callbacks
