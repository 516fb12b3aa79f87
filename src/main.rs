//! Arguments → configuration → run; the exit code says how it ended.

use std::process::ExitCode;

fn main() -> ExitCode {
    leeward::cli::main()
}
