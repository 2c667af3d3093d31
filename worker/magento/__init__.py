"""Driven adapter: Magento over HTTP."""
