SELECT r.sensor_id, r.location, r.kind, r.value, t.low, t.high, r.ts
FROM readings r JOIN read_csv('dataflows/data/thresholds.csv') t ON r.kind = t.kind WHERE r.value < t.low OR r.value > t.high
