//! Formats: bytes to rows and back, one file each. Decoding gives rows and rejects, never a failure.
