"""A GraphQL document on its way to being run: within its limits, parsed, valid, and what it costs."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    subscribe,
    validate,
)
from graphql.execution import get_variable_values

from aigestion.api.graphql.limits import Cost, check_cost, check_shape, check_size
from aigestion.api.graphql.schema import schema

ERRORS_MAX = 20
"""How many faults of one document are told."""


class Unusable(Exception):
    """The document is not what the schema lets ask; `errors` says all that is wrong."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(len(errors))
        self.errors = errors


class Operation:
    """One that may be run."""

    def __init__(
        self, document: str, name: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> None:
        """Raises `TooComplex`, and `Unusable` for what the schema does not know."""
        self._schema: GraphQLSchema = schema()._schema
        self._variables = dict(variables or {})
        try:
            check_size(document)
            self._document = parse(document)
        except GraphQLError as error:
            raise Unusable([error]) from None
        check_shape(self._document)
        if errors := validate(self._schema, self._document, max_errors=ERRORS_MAX):
            raise Unusable(errors)
        self._node = _chosen(self._document, name)
        self.cost: Cost = self._costs()

    @property
    def follows(self) -> bool:
        """Whether it is a subscription."""
        return self._node.operation is OperationType.SUBSCRIPTION

    async def result(self, context: Any) -> ExecutionResult:
        """Run it, if it is a query."""
        found = execute(self._schema, self._document, **self._arguments(context))
        return await found if isawaitable(found) else found

    async def results(self, context: Any) -> AsyncGenerator[ExecutionResult, None]:
        """Run it, if it is a subscription; ends only with what it follows, and raises what that raises."""
        found = subscribe(self._schema, self._document, **self._arguments(context))
        found = await found if isawaitable(found) else found
        if isinstance(found, ExecutionResult):
            yield found
            return
        assert isinstance(found, AsyncGenerator)
        async with aclosing(found) as results:
            async for one in results:
                yield one

    def _arguments(self, context: Any) -> dict[str, Any]:
        return {
            "context_value": context,
            "variable_values": self._variables,
            "operation_name": self._node.name.value if self._node.name else None,
        }

    def _costs(self) -> Cost:
        values = get_variable_values(
            self._schema, self._node.variable_definitions or (), self._variables, ERRORS_MAX
        )
        if isinstance(values, list):
            raise Unusable(values)
        return check_cost(self._schema, self._document, self._node, values.coerced)


def _chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    node = get_operation_ast(document, name)
    if node is None:
        message = "`operationName` must name one of the document's operations."
        raise Unusable([GraphQLError(message)])
    return node
