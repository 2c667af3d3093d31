"""The application: from an accepted refund job to one Magento credit memo."""
