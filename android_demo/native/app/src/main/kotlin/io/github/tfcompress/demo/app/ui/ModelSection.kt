package io.github.tfcompress.demo.app.ui

import android.text.format.Formatter
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.selection.selectable
import androidx.compose.foundation.selection.selectableGroup
import androidx.compose.material3.FilterChip
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.RadioButton
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.Role
import androidx.compose.ui.semantics.heading
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.unit.dp
import io.github.tfcompress.demo.Accelerator
import io.github.tfcompress.demo.DemoModel
import io.github.tfcompress.demo.DemoState
import io.github.tfcompress.demo.Measurement
import io.github.tfcompress.demo.Work
import io.github.tfcompress.demo.app.DemoViewModel
import io.github.tfcompress.demo.app.R

/** The models to choose from with their sizes and latencies, and what they are to run on. */
@Composable
fun ModelSection(state: DemoState, viewModel: DemoViewModel) {
    Column(verticalArrangement = Arrangement.spacedBy(8.dp)) {
        Text(
            stringResource(R.string.models),
            Modifier.semantics { heading() },
            style = MaterialTheme.typography.titleMedium,
        )
        Column(Modifier.selectableGroup()) {
            state.demo.models.forEach { model ->
                ModelRow(model, chosen = model == state.model, state.measurement(model)) {
                    viewModel.choose(model, state.preferred)
                }
            }
        }
        Row(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
            Accelerator.entries.forEach { accelerator ->
                FilterChip(
                    selected = accelerator == state.preferred,
                    onClick = { viewModel.choose(state.model, accelerator) },
                    label = { Text(accelerator.name) },
                )
            }
        }
        Text(runsOnText(state))
    }
}

@Composable
private fun ModelRow(model: DemoModel, chosen: Boolean, measurement: Measurement?, onClick: () -> Unit) {
    Row(
        Modifier.fillMaxWidth()
            .selectable(selected = chosen, role = Role.RadioButton, onClick = onClick)
            .padding(vertical = 8.dp),
        verticalAlignment = Alignment.CenterVertically,
        horizontalArrangement = Arrangement.spacedBy(8.dp),
    ) {
        RadioButton(selected = chosen, onClick = null)
        Column {
            Text(model.name, style = MaterialTheme.typography.titleSmall)
            Text(sizesText(model), style = MaterialTheme.typography.bodyMedium)
            Text(qualityText(model), style = MaterialTheme.typography.bodyMedium)
            measurement?.let { Text(measurementText(it), style = MaterialTheme.typography.bodyMedium) }
        }
    }
}

@Composable
private fun sizesText(model: DemoModel): String {
    val context = LocalContext.current
    return stringResource(
        R.string.sizes,
        Formatter.formatShortFileSize(context, model.packed.size),
        Formatter.formatShortFileSize(context, model.file.size),
    )
}

@Composable
private fun qualityText(model: DemoModel): String {
    val accuracy = model.accuracy ?: return model.arithmetic
    return stringResource(R.string.arithmetic_and_accuracy, model.arithmetic, accuracy * 100)
}

/** What really runs the model, and why it is not what was asked for. */
@Composable
private fun runsOnText(state: DemoState): String {
    val runsOn = state.runsOn
        ?: return stringResource(if (state.work == Work.Loading) R.string.loading else R.string.not_loaded)
    val refusal = runsOn.refusal
    return if (refusal == null) {
        stringResource(R.string.runs_on, acceleratorText(runsOn.accelerator, runsOn.threads))
    } else {
        stringResource(
            R.string.runs_instead_on,
            acceleratorText(runsOn.accelerator, runsOn.threads),
            refusal.accelerator.name,
            refusal.detail,
        )
    }
}
