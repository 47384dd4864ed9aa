//! The `stonescriptdb-gateway` program.
fn main() {}
