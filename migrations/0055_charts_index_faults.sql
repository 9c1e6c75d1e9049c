-- Why the index of charts in the registry could not be written; null if it is current, or if the registry has no charts.
alter table registries add column charts_index_fault text;
