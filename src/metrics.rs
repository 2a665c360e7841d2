//! The metrics of the contract.
