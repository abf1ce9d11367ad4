"""All businesses, at least one for each capability, each with what can go wrong in it."""

from __future__ import annotations

from backtest.scenarios.campaigns import CAMPAIGNS
from backtest.scenarios.deploys import DEPLOYS
from backtest.scenarios.expenses import EXPENSES
from backtest.scenarios.leads import LEADS
from backtest.scenarios.records import RECORDS_KEEPER
from backtest.scenarios.refunds import REFUNDS
from backtest.scenarios.tickets import TICKETS

BUSINESSES = (CAMPAIGNS, RECORDS_KEEPER, DEPLOYS, REFUNDS, EXPENSES, LEADS, TICKETS)
