//! The test harness, and the tests that need real servers.
