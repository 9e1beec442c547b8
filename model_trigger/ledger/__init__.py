"""The ledger in Azure Table Storage (azure-data-tables): each kind of row beside its queries."""
