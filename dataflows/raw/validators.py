"""Schema checks at the boundaries of the DAG, as Hamilton data validators that fail the node."""

from __future__ import annotations

import duckdb
from hamilton.data_quality.base import DataValidationLevel, DataValidator, ValidationResult


class HasColumns(DataValidator):
    """The relation has these columns, and the one named ``geometry`` is of DuckDB's type ``GEOMETRY``."""

    def __init__(self, *columns: str, importance: str = "fail") -> None:
        super().__init__(importance=DataValidationLevel(importance))
        self.columns = columns

    def applies_to(self, datatype: type) -> bool:
        """Only DuckDB relations."""
        return issubclass(datatype, duckdb.DuckDBPyRelation)

    def description(self) -> str:
        """What is checked."""
        return f"has the columns {', '.join(self.columns)}"

    @classmethod
    def name(cls) -> str:
        """Name of the check node."""
        return "has_columns"

    def validate(self, dataset: duckdb.DuckDBPyRelation) -> ValidationResult:
        """Check names and the geometry's type without reading a row."""
        types = dict(zip(dataset.columns, map(str, dataset.types), strict=True))
        missing = [name for name in self.columns if name not in types]
        wrong = "" if types.get("geometry", "GEOMETRY").startswith("GEOMETRY") else f"; geometry is {types['geometry']}"
        message = f"missing columns: {', '.join(missing) or 'none'}{wrong}"
        return ValidationResult(passes=not missing and not wrong, message=message, diagnostics={"columns": types})
