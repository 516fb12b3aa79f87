//! Which port stands for which node id.
