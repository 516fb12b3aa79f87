//! From what brokers report to the next picture.
