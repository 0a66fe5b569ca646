//! All of Callscribe in one process, and the operator's command line.

pub mod cli;
mod config;
mod data_folder;
mod up;

pub use config::Config;
