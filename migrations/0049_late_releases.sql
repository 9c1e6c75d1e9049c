-- A registry that was unavailable gets a release of a needed application: those that need it are built for that registry.
alter table waves drop constraint waves_cause_check;
alter table waves add constraint waves_cause_check check (cause in ('REQUEST', 'CUSTOMIZATION', 'BASE_IMAGE', 'PACKAGE',
  'VERSION', 'RECIPE', 'WITHOUT_CUSTOMIZATION', 'RETRY', 'REBUILD', 'LATE_RELEASE'));
