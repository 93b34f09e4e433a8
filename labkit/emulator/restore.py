"""Fills a registry from a store, when the emulator starts. A record whose files are gone is set aside and named."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from labkit.emulator.packages import PackageStore
from labkit.emulator.registry import Function, Layer, Registry
from labkit.emulator.store import Contents, Store
from labkit.model import DeploymentPackage


def restore(store: Store, registry: Registry, packages: PackageStore) -> Contents:
    """Blocking; what was being changed when the other emulator ended is done."""
    found = store.contents()
    for name, layer in found.layers.items():
        if _adopted(packages, _of_layer(layer)):
            registry.layers[name] = layer
        else:
            store.set_aside("layers", name, "its files are not there any more")
    for name, function in found.functions.items():
        if _adopted(packages, _of_function(function)):
            function.change = None
            registry.functions[name] = function
        else:
            store.set_aside("functions", name, "its files are not there any more")
    registry.mappings.update(found.mappings)
    registry.code_signing.update(found.code_signing)
    packages.sweep()
    for function in registry.functions.values():
        for version in function.versions():
            packages.layered([layer.package for layer in version.layers])
    return found


def _adopted(packages: PackageStore, needed: Iterable[DeploymentPackage]) -> bool:
    return all(packages.adopt(package) for package in needed)


def _of_layer(layer: Layer) -> Iterable[DeploymentPackage]:
    return (version.package for version in layer.versions.values())


def _of_function(function: Function) -> Iterable[DeploymentPackage]:
    """Its versions' code, and their layers', which may be deleted as layers."""
    versions = function.versions()
    return itertools.chain(
        (version.package for version in versions), (layer.package for version in versions for layer in version.layers)
    )
