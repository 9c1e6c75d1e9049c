// The documented values of the chart of PostgreSQL have an effect.
import { testEffect } from '../effect.ts';

testEffect('postgresql');
