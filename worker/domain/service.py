"""The four Magento services that make a credit memo, as a table."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Service(StrEnum):
    """One of the four Magento endpoints we call."""

    ORDER_REFUND = "order_refund"
    INVOICE_REFUND = "invoice_refund"
    CREDITMEMO_REFUND = "creditmemo_refund"
    CREDITMEMO_SAVE = "creditmemo_save"


@dataclass(frozen=True, kw_only=True)
class ServiceFacts:
    """What is fixed about one service (`SALES/etc/webapi.xml`, the same from 2.4.1 to 2.4.8).

    Attributes:
        service: Our name of it.
        magento_name: Magento's name of the service, as in its API schema.
        route: Method and path as Magento documents them, with `:orderId` style parameters.
        path_template: The path for `str.format`, with `{entity_id}` where the route has a parameter.
        acl_resource: The permission that an integration needs to call it.
    """

    service: Service
    magento_name: str
    route: str
    path_template: str
    acl_resource: str

    def path(self, entity_id: int | None = None) -> str:
        """Give the path below `/rest/{store}`, e.g. `/V1/order/5/refund`.

        Args:
            entity_id: Entity id (never an increment id) of the order or invoice; None where the route has none.

        Raises:
            ValueError: The route needs an id above 0 and got another, or has none and got one.
        """
        takes_id = "{entity_id}" in self.path_template
        if takes_id != (entity_id is not None) or (entity_id is not None and entity_id < 1):
            raise ValueError(f"{self.route} cannot take the id {entity_id}")
        return self.path_template.format(entity_id=entity_id)


_ROWS: Final = (
    ServiceFacts(
        service=Service.ORDER_REFUND,
        magento_name="salesRefundOrderV1",
        route="POST /V1/order/:orderId/refund",
        path_template="/V1/order/{entity_id}/refund",
        acl_resource="Magento_Sales::creditmemo",
    ),
    ServiceFacts(
        service=Service.INVOICE_REFUND,
        magento_name="salesRefundInvoiceV1",
        route="POST /V1/invoice/:invoiceId/refund",
        path_template="/V1/invoice/{entity_id}/refund",
        acl_resource="Magento_Sales::sales_invoice",
    ),
    ServiceFacts(
        service=Service.CREDITMEMO_REFUND,
        magento_name="salesCreditmemoManagementV1",
        route="POST /V1/creditmemo/refund",
        path_template="/V1/creditmemo/refund",
        acl_resource="Magento_Sales::sales_creditmemo",
    ),
    ServiceFacts(
        service=Service.CREDITMEMO_SAVE,
        magento_name="salesCreditmemoRepositoryV1",
        route="POST /V1/creditmemo",
        path_template="/V1/creditmemo",
        acl_resource="Magento_Sales::sales_creditmemo",
    ),
)

#: Every service with its facts; read only.
SERVICES: Final = MappingProxyType({row.service: row for row in _ROWS})
