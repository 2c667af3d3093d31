"""Stand-ins to try, test and break things with: a simulated Magento shop and an embedded Redis."""
