"""The kinds of faults: those of cosmic-ray (operators, numbers, conditions), and three for declarations.

`Word` replaces a string, `Argument` drops a keyword argument, `Statement` drops a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import parso
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

Node = Any  # parso has incomplete types
Positions = Iterable[tuple[tuple[int, int], tuple[int, int]]]
REPLACEMENT = "XX"
_SCOPES = ("funcdef", "classdef")
_EFFECTS = ("atom_expr", "power", "yield_expr", "raise_stmt", "return_stmt", "keyword", "del_stmt")


class Fault(NamedTuple):
    """One fault: its kind, function or class, the source with the fault, and its syntactic context."""

    kind: str
    where: str
    text: str
    inside: frozenset[str]


class Word:
    """Replaces a string literal; f-strings are not changed."""

    def mutation_positions(self, node: Node) -> Positions:
        if node.type == "string":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Node, _: int) -> Node:
        prefix = "b" if node.string_prefix.lower().startswith("b") else ""
        node.value = f'{prefix}"{REPLACEMENT}"'
        return node


class Argument:
    """Drops a keyword argument of a call."""

    def mutation_positions(self, node: Node) -> Positions:
        if node.type == "arglist" and node.parent.type == "trailer":
            for child in node.children:
                if _named(child):
                    yield child.start_pos, child.end_pos

    def mutate(self, node: Node, index: int) -> Node:
        named = [child for child in node.children if _named(child)][index]
        at = node.children.index(named)
        # With the comma after it; the last argument with the comma before it.
        del node.children[at : at + 2]
        if at and at == len(node.children):
            del node.children[-1]
        return node


class Statement:
    """Replaces a simple statement that has an effect, or returns, with `pass`."""

    def mutation_positions(self, node: Node) -> Positions:
        if node.type == "simple_stmt" and _effect(node.children[0]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Node, _: int) -> Node:
        first = node.children[0]
        node.children[0] = parso.parse("pass").children[0]
        node.children[0].get_first_leaf().prefix = first.get_first_leaf().prefix
        return node


OWN: dict[str, type] = {"Word": Word, "Argument": Argument, "Statement": Statement}


def faults(source: str) -> Iterator[Fault]:
    """Every fault of every kind in a source; without those that are invalid Python or change nothing."""
    nodes = list(ast_nodes(get_ast(source)))
    for name in plugins.operator_names():
        operator = plugins.get_operator(name)
        if not operator.arguments():  # operators with arguments need configured variable names
            yield from _of_kind(source, nodes, name.partition("/")[2], operator())
    for name, kind in OWN.items():
        yield from _of_kind(source, nodes, name, kind())


def _of_kind(source: str, nodes: list[Node], name: str, operator: Any) -> Iterator[Fault]:
    occurrence = 0
    for node in nodes:
        for position in operator.mutation_positions(node):
            leaf = node.get_leaf_for_position(position[0]) if hasattr(node, "children") else node
            text = mutate_code(source, operator, occurrence)
            occurrence += 1
            if text is not None and _differs(source, text):
                yield Fault(name, _where(leaf), text, frozenset(_around(leaf)))


def _differs(source: str, text: str) -> bool:
    try:
        return compile(text, "module", "exec") != compile(source, "module", "exec")
    except (SyntaxError, ValueError):
        return False


def _named(node: Node) -> bool:
    return bool(node.type == "argument" and len(node.children) == 3 and node.children[1] == "=")


def _effect(node: Node) -> bool:
    if node.type == "expr_stmt":
        return str(node.children[1].get_code()).strip() in {"+=", "|=", "-="}
    return node.type in _EFFECTS


def _where(leaf: Node) -> str:
    """The functions and classes that contain a leaf, or that it decorates; or the declared constant."""
    names: list[str] = []
    child, node = leaf, leaf.parent
    while node is not None:
        if node.type in _SCOPES:
            names.insert(0, node.name.value)
        elif node.type == "decorated" and child is not node.children[-1]:
            names.insert(0, node.children[-1].name.value)
        elif node.type == "expr_stmt" and not names and node.parent.parent.type == "file_input":
            names.insert(0, node.children[0].get_code(include_prefix=False))
        child, node = node, node.parent
    return ".".join(names)


def _around(leaf: Node) -> Iterator[str]:
    """The syntactic contexts of a leaf: `annotation`, `docstring`, `raise`, `argument doc`, ..."""
    child, node = leaf, leaf.parent
    while node is not None:
        if _in_annotation(child, node):
            yield "annotation"
        elif node.type == "simple_stmt" and child is leaf and leaf.type == "string":
            yield "docstring"
        elif node.type == "raise_stmt":
            yield "raise"
        elif node.type == "decorator":
            yield f"decorator {node.children[1].get_code()}"
        elif _named(node):
            yield f"argument {node.children[0].value}"
        elif node.type == "trailer" and node.children[0] == "(":
            yield f"call {node.get_previous_sibling().get_code(include_prefix=False)}"
        child, node = node, node.parent


def _in_annotation(child: Node, node: Node) -> bool:
    match node.type:
        case "annassign":
            return bool(child is node.children[1])
        case "funcdef":
            return bool(child is node.annotation)
        case "param":
            return bool(node.annotation is not None and child is not node.default)
        case kind:
            return bool(kind == "tfpdef")
