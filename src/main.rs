//! The `highwater` binary: hands the command line to [`highwater::cli`] and exits with its code.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    highwater::engine::quiet_panics();
    highwater::cli::main()
}
