"""The few hot loops: fused rounding to a grid."""
