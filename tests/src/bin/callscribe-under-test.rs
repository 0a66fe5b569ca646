//! The product's own command, built with the tests so that they can run it as a process.

fn main() -> std::process::ExitCode {
    callscribe::cli::main()
}
