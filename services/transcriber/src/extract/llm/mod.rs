//! A language model beside the rules, never instead of them.
//!
//! It sees the transcript as data, may name only what the catalogue holds, and has to quote; a
//! value whose quotation is not in the transcript, or does not carry it, is dropped.

mod client;
mod reply;
mod request;
mod rest;
mod verify;

pub use client::{Llm, LlmError};
pub use verify::Found;
