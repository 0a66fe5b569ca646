//! The transcriber against real files, real programs and doubles of what it talks to.

mod audio;
mod hostile;
mod media;
mod pocketsphinx;
mod service;
mod stage;
