//! Twilio callbacks in, stream entries out.
