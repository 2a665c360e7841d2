//! The dashboard in a browser: `tests/dashboard/check.mjs` drives Chromium against the binary. Needs node, chromium and
//! `npm ci` in `tests/dashboard`; without them it is skipped, except where `CI=true`.

use std::path::Path;
use std::process::Command;

fn found(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn the_page_is_right_light_and_accessible_and_survives_a_restart() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard");
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| found(name));
    let path = browser.and_then(|name| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.exists())
    });
    let modules = folder.join("node_modules/playwright-core").exists();
    let (Some(browser), true, true) = (path, found("node"), modules) else {
        let remedy = "install node and chromium, and run npm ci in tests/dashboard";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the dashboard is not tested: {remedy}");
        eprintln!("skipped: {remedy}");
        return;
    };
    let output = Command::new("node")
        .arg(folder.join("check.mjs"))
        .args([Path::new(env!("CARGO_BIN_EXE_highwater")), &browser])
        .output()
        .expect("node runs");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success(), "{said}\n{wrong}");
}
