//! Bundle + database → deployment.
