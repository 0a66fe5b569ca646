//! What is erased stays erased.

use sha2::{Digest, Sha256};

/// What a tombstone keeps of a SID: enough to recognise it, too little to learn it.
pub fn hash(sid: &str) -> String {
    hex::encode(Sha256::digest(sid.as_bytes()))
}
