"""The declarations of the native module are those of the module that was built."""

import ast
import inspect
from pathlib import Path

import raremap
from raremap import _native


def parameters(node: ast.FunctionDef) -> list[str]:
    arguments = node.args
    return [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def public(owner) -> set[str]:
    return {name for name in vars(owner) if not name.startswith("_")}


def test_the_stubs_name_every_function_with_its_parameters():
    stubs = Path(raremap.__file__).with_name("_native.pyi")
    body = ast.parse(stubs.read_text()).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    (model,) = (node for node in body if isinstance(node, ast.ClassDef) and node.name == "Model")
    methods = {node.name: node for node in model.body if isinstance(node, ast.FunctionDef)}
    attributes = {node.target.id for node in model.body if isinstance(node, ast.AnnAssign)}
    assert public(_native) == {*functions, "Model", "RaremapError"}
    assert public(_native.Model) == {*methods, *attributes}
    for owner, declared in [(_native, functions), (_native.Model, methods)]:
        for name, node in declared.items():
            assert list(inspect.signature(getattr(owner, name)).parameters) == parameters(node), name


def test_the_package_says_that_it_is_typed():
    assert Path(raremap.__file__).with_name("py.typed").exists()
