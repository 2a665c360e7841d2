//! The sidecar.
#![allow(dead_code)]
mod json;
mod problem;
