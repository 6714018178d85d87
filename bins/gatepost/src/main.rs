//! The prebuilt binary: the proxy and the standard set of filters.

use gatepost_filters as _;

fn main() -> std::process::ExitCode {
    gatepost_proxy::main()
}
