//! What Callscribe knows of Twilio: signatures, callback forms, the REST client.
