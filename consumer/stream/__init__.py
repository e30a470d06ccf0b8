"""The transactional loop over Kafka: leases, watermarks, codecs and dead letters. Never learns what a clip is."""
