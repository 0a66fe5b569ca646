//! Events in, rows, leads and an API out.
