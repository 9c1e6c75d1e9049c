-- Kept counts are folded once for each statement that adds parts, not once for every 64th part of it: a change that touches
-- thousands of rows would fold its own parts hundreds of times.
drop trigger list_counts_fold on list_counts;
create or replace function fold_sometimes() returns trigger language plpgsql as $$
begin
  perform fold_list_counts(due.catalog_id, due.noun)
    from (select distinct catalog_id, noun from changed where id % 64 = 0) due;
  return null;
end $$;
create trigger list_counts_fold after insert on list_counts
  referencing new table as changed for each statement when (pg_trigger_depth() < 2) execute function fold_sometimes();
