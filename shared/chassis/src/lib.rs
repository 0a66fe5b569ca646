//! What every service stands on: configuration, telemetry, the HTTP server, the ops listener, graceful stop.
