"""Roles of distributed runs: one role's settings, and MLRun's method names for each role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from runbus.contracts.document import PreemptionMode
from runbus.contracts.document_rules import GPU_TYPE_DEFAULT
from runbus.contracts.states import ROLES_BY_KIND, Kind
from runbus.contracts.violations import ViolationCode
from runbus.sdk.functions.refusals import refused
from runbus.sdk.functions.scope import Quantity, Scope


class RoleScope(Scope):
    """The settings of one role; they are merged over the run's own."""

    def __init__(self, run: Scope, name: str) -> None:
        self._run = run
        self._name = name
        super().__init__(run._get("roles", {}).get(name, {}))

    def _put_all(self, changes: Mapping[str, object]) -> Self:
        settings: dict[str, object] = {**self._settings, **changes}
        kept = {key: each for key, each in settings.items() if each is not None}
        before: dict[str, Any] = self._run._get("roles", {})
        self._run._put("roles", {**before, self._name: kept})
        self._settings = self._run._get("roles", {}).get(self._name, {})
        return self


class RoleMethods(Scope):
    """MLRun's methods for single roles; `role` gives every setting that a role can have."""

    @property
    def kind(self) -> str | None:
        """What sort of run it is."""
        found: str | None = self._get("kind")
        return found

    def role(self, name: str) -> RoleScope:
        """Return one role of a distributed run, for settings that only it has.

        Raises:
            RefusedSettingError: this kind has no such role.

        """
        roles = ROLES_BY_KIND.get(Kind(self.kind), ()) if self.kind is not None else ()
        allowed = tuple(each.value for each in roles)
        if self.kind is not None and name not in allowed:
            hint = "choose one of its roles" if allowed else f"kind {self.kind} has no roles"
            raise refused(f"/roles/{name}", hint, given=name, allowed=allowed or None)
        return RoleScope(self, name)

    def with_requests(
        self, mem: Quantity | None = None, cpu: Quantity | None = None, *, patch: bool = True
    ) -> Self:
        """Set what is kept free for the container, in Kubernetes' quantities.

        Of an mpijob's and dask's workers; spark has requests by role only.

        Args:
            mem: memory, such as "1Gi".
            cpu: CPUs, such as "500m".
            patch: False replaces all requests, as MLRun does by default (ADR-0019).

        """
        self._refuse_spark("with_driver_requests or with_executor_requests")
        return super().with_requests(mem, cpu, patch=patch)

    def with_limits(
        self,
        mem: Quantity | None = None,
        cpu: Quantity | None = None,
        gpus: int | None = None,
        gpu_type: str = GPU_TYPE_DEFAULT,
        *,
        patch: bool = True,
    ) -> Self:
        """Set the most that the container may use, and its GPUs.

        Of an mpijob's and dask's workers; spark has limits by role only.

        Args:
            mem: memory, such as "2Gi".
            cpu: CPUs, such as 2.
            gpus: how many; 0 removes inherited ones.
            gpu_type: the resource's name.
            patch: False replaces all limits and GPUs, as MLRun does by default (ADR-0019).

        """
        self._refuse_spark("with_driver_limits or with_executor_limits")
        return super().with_limits(mem, cpu, gpus, gpu_type, patch=patch)

    def with_driver_requests(
        self, mem: Quantity | None = None, cpu: Quantity | None = None, *, patch: bool = True
    ) -> Self:
        """Set requests of a spark driver, as `with_requests`."""
        self.role("driver").with_requests(mem, cpu, patch=patch)
        return self

    def with_driver_limits(
        self,
        cpu: Quantity | None = None,
        gpus: int | None = None,
        gpu_type: str = GPU_TYPE_DEFAULT,
        *,
        patch: bool = True,
    ) -> Self:
        """Set limits of a spark driver, as `with_limits`; its memory is what it requests."""
        self.role("driver").with_limits(None, cpu, gpus, gpu_type, patch=patch)
        return self

    def with_driver_preemption_mode(self, mode: PreemptionMode | str | None) -> Self:
        """Choose whether a spark driver may use spot nodes."""
        self.role("driver").with_preemption_mode(mode)
        return self

    def with_driver_node_selection(
        self,
        *,
        node_selector: Mapping[str, str] | None = None,
        affinity: object = None,
        tolerations: object = None,
    ) -> Self:
        """Choose nodes for a spark driver, as `with_node_selection`."""
        self.role("driver").with_node_selection(None, node_selector, affinity, tolerations)
        return self

    def with_executor_requests(
        self, mem: Quantity | None = None, cpu: Quantity | None = None, *, patch: bool = True
    ) -> Self:
        """Set requests of spark executors, as `with_requests`."""
        self.role("executor").with_requests(mem, cpu, patch=patch)
        return self

    def with_executor_limits(
        self,
        cpu: Quantity | None = None,
        gpus: int | None = None,
        gpu_type: str = GPU_TYPE_DEFAULT,
        *,
        patch: bool = True,
    ) -> Self:
        """Set limits of spark executors, as `with_limits`; its memory is what it requests."""
        self.role("executor").with_limits(None, cpu, gpus, gpu_type, patch=patch)
        return self

    def with_executor_preemption_mode(self, mode: PreemptionMode | str | None) -> Self:
        """Choose whether spark executors may use spot nodes."""
        self.role("executor").with_preemption_mode(mode)
        return self

    def with_executor_node_selection(
        self,
        *,
        node_selector: Mapping[str, str] | None = None,
        affinity: object = None,
        tolerations: object = None,
    ) -> Self:
        """Choose nodes for spark executors, as `with_node_selection`."""
        self.role("executor").with_node_selection(None, node_selector, affinity, tolerations)
        return self

    def with_scheduler_requests(
        self, mem: Quantity | None = None, cpu: Quantity | None = None, *, patch: bool = True
    ) -> Self:
        """Set requests of a dask scheduler, as `with_requests`."""
        self.role("scheduler").with_requests(mem, cpu, patch=patch)
        return self

    def with_scheduler_limits(
        self,
        mem: Quantity | None = None,
        cpu: Quantity | None = None,
        gpus: int | None = None,
        gpu_type: str = GPU_TYPE_DEFAULT,
        *,
        patch: bool = True,
    ) -> Self:
        """Set limits of a dask scheduler, as `with_limits`."""
        self.role("scheduler").with_limits(mem, cpu, gpus, gpu_type, patch=patch)
        return self

    def with_worker_requests(
        self, mem: Quantity | None = None, cpu: Quantity | None = None, *, patch: bool = True
    ) -> Self:
        """Set requests of the workers of an mpijob or dask, as `with_requests`."""
        self.role("worker").with_requests(mem, cpu, patch=patch)
        return self

    def with_worker_limits(
        self,
        mem: Quantity | None = None,
        cpu: Quantity | None = None,
        gpus: int | None = None,
        gpu_type: str = GPU_TYPE_DEFAULT,
        *,
        patch: bool = True,
    ) -> Self:
        """Set limits of the workers of an mpijob or dask, as `with_limits`."""
        self.role("worker").with_limits(mem, cpu, gpus, gpu_type, patch=patch)
        return self

    def _refuse_spark(self, way_out: str) -> None:
        if self.kind == Kind.SPARK.value:
            hint = f"use {way_out}"
            raise refused("/resources", hint, given="kind spark", code=ViolationCode.CONFLICT)
